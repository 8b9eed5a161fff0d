# fish completion of imgret, imgret-tui and imgretd
function __imgret_complete
    # The word at the cursor without its quotes and backslashes; an open quote is removed by hand.
    set -l word (commandline -ct)
    set -l bare (string unescape -- $word; or string replace -r '^[\'"]' '' -- $word)
    set -l lines (command imgret __complete fish (commandline -opc) "$bare" 2>/dev/null)
    switch "$lines[1]"
        case files
            __fish_complete_path (commandline -ct)
        case folders
            __fish_complete_directories (commandline -ct)
        case words open
            printf '%s\n' $lines[2..]
    end
end
for program in imgret imgret-tui imgretd
    complete -c $program -f -a '(__imgret_complete)'
end
