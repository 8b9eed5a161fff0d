# A key inserts the paths of photos chosen in imgret-tui.
_imgret_pick() {
    local photo
    local -a photos
    while IFS= read -r -d '' photo; do
        photos+=("${(q)photo}")
    done < <(command imgret-tui --multi --print0)
    (( $#photos )) && LBUFFER+="${(j: :)photos} "
    zle reset-prompt
}
if [[ -o interactive ]]; then
    zle -N _imgret_pick
    bindkey -M emacs '@KEY@' _imgret_pick
    bindkey -M viins '@KEY@' _imgret_pick
fi
