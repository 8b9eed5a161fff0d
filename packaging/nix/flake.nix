{
  description = "Photo folders, searchable in plain words, from the terminal";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  # nixpkgs lacks some of the libraries, so the programs run in an environment that uv makes on first use, with the
  # versions of constraints.txt. Libraries from wheels need nix-ld's libraries on NixOS.
  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      program = pkgs: name: pkgs.writeShellApplication {
        inherit name;
        runtimeInputs = [ pkgs.uv pkgs.python312 ];
        text = ''
          export LD_LIBRARY_PATH=${pkgs.lib.makeLibraryPath [ pkgs.stdenv.cc.cc.lib pkgs.zlib ]}
          exec uv tool run --python ${pkgs.python312}/bin/python3 --constraints ${../../constraints.txt} \
            --from "${../..}''${IMGRET_EXTRAS:+[$IMGRET_EXTRAS]}" ${name} "$@"
        '';
      };
    in {
      packages = each (pkgs: rec {
        imgret = program pkgs "imgret";
        imgret-tui = program pkgs "imgret-tui";
        imgretd = program pkgs "imgretd";
        default = imgret;
      });
    };
}
