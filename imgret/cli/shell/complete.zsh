#compdef imgret imgret-tui imgretd
# zsh completion of imgret, imgret-tui and imgretd
_imgret() {
    local -a lines values texts
    local kind line
    lines=("${(@f)$(command imgret __complete zsh "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    kind=$lines[1]
    case $kind in
        files) _files ;;
        folders) _files -/ ;;
        words | open)
            for line in "${(@)lines[2,-1]}"; do
                [[ -n $line ]] || continue
                values+=("${line%%$'\t'*}")
                texts+=("${line%%$'\t'*}${${line#*$'\t'}:+  -- ${line#*$'\t'}}")
            done
            (( $#values )) || return 1
            if [[ $kind == open ]]; then
                compadd -S '' -l -d texts -a values
            else
                compadd -l -d texts -a values
            fi ;;
    esac
}
if [[ $funcstack[1] == _imgret ]]; then
    _imgret "$@"
elif (( $+functions[compdef] )); then
    compdef _imgret imgret imgret-tui imgretd
fi
