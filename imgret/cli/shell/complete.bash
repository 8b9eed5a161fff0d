# bash completion of imgret, imgret-tui and imgretd
_imgret_complete() {
    local reply kind word
    reply=$(command imgret __complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null) || return
    kind=${reply%%$'\n'*}
    COMPREPLY=()
    case $kind in
        files) compopt -o default 2>/dev/null ;;
        folders) compopt -o nospace -o filenames 2>/dev/null
            while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -d -- "$2") ;;
        words | open)
            [[ $kind == open ]] && compopt -o nospace 2>/dev/null
            while IFS=$'\t' read -r word _; do
                [[ -n $word ]] && COMPREPLY+=("$word")
            done <<<"${reply#"$kind"}" ;;
    esac
}
complete -F _imgret_complete imgret imgret-tui imgretd
