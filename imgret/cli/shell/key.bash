# A key inserts the paths of photos chosen in imgret-tui.
_imgret_pick() {
    local photo photos=
    while IFS= read -r -d '' photo; do
        photos+=$(printf '%q ' "$photo")
    done < <(command imgret-tui --multi --print0)
    READLINE_LINE=${READLINE_LINE:0:READLINE_POINT}$photos${READLINE_LINE:READLINE_POINT}
    ((READLINE_POINT += ${#photos}))
}
if [[ $- == *i* ]]; then
    for _imgret_keymap in emacs vi-insert; do
        bind -m "$_imgret_keymap" -x '"@KEY@": _imgret_pick'
    done
    unset _imgret_keymap
fi
