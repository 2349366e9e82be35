# Completion of rille for fish.
complete -c rille -n __fish_use_subcommand -a 'test check build types ps'
complete -c rille -s e -x -d 'run a string'
complete -c rille -s i -d 'go interactive'
complete -c rille -s l -x -d 'require a module'
complete -c rille -s v -d 'show the version'
complete -c rille -l watch -d 'run again on a change'
complete -c rille -l inspect -d "serve a page that shows tasks"
complete -c rille -l trace -r -d 'write trace events'
complete -c rille -l profile -r -d 'sample stacks'
for what in net read write run env code native
    complete -c rille -l allow-$what -d "permit $what, or what is in a list"
    complete -c rille -l deny-$what -d "refuse $what, or what is in a list"
end
complete -c rille -l warn-blocking -x -d 'say what holds up the loop'
complete -c rille -n '__fish_seen_subcommand_from test' -l explore -x -d 'seeded orders of tasks'
complete -c rille -n '__fish_seen_subcommand_from test' -l jobs -x -d 'files side by side'
