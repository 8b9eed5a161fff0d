# For a tap. Fill in `homepage`, `url` and `sha256` of the released archive before it is published.
class Imgret < Formula
  include Language::Python::Virtualenv

  desc "Photo folders, searchable in plain words, from the terminal"
  license "AGPL-3.0-or-later"

  depends_on :linux
  depends_on "python@3.12"

  def install
    venv = virtualenv_create(libexec, "python3.12")
    system libexec/"bin/python", "-m", "pip", "install", "--no-compile", "--constraint", "constraints.txt", "."
    %w[imgret imgret-tui imgretd].each { |program| bin.install_symlink libexec/"bin"/program }
    venv
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/imgret --version")
  end
end
