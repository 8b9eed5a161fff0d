# A key inserts the paths of photos chosen in imgret-tui.
function _imgret_pick
    for photo in (command imgret-tui --multi --print0 | string split0)
        commandline -i -- (string escape -- $photo)' '
    end
    commandline -f repaint
end
if status is-interactive
    bind @KEY@ _imgret_pick
    bind -M insert @KEY@ _imgret_pick
end
