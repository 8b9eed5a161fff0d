# A key inserts the paths of photos chosen in imgret-tui.
_imgret_pick() {
    local chosen
    local -a photos
    # Not <(...): it would run in the background, where a program may not read the terminal.
    chosen="$(command imgret-tui --multi --print0 </dev/tty)"
    photos=(${(0)chosen})
    (( $#photos )) && LBUFFER+="${(j: :)${(@q)photos}} "
    zle reset-prompt
}
if [[ -o interactive ]]; then
    zle -N _imgret_pick
    bindkey -M emacs '@KEY@' _imgret_pick
    bindkey -M viins '@KEY@' _imgret_pick
fi
