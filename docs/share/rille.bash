# Completion of rille for bash.
_rille() {
  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}
  if [ "$COMP_CWORD" = 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "test check build types ps --watch --inspect --trace --profile --warn-blocking= --timeout= --max-memory= --allow-net --allow-read --allow-write --allow-run --allow-env --allow-code --allow-native --deny-net --deny-read --deny-write --deny-run --deny-env --deny-code --deny-native -e -i -l -v" -- "$word"; compgen -f -X '!*.lua' -- "$word"; compgen -d -- "$word")
    return
  fi
  case $command in
    test) mapfile -t COMPREPLY < <(compgen -W "--explore --jobs= --watch --virtual-clock --seed= --repeat= --timeout= --filter= --tags= -o" -- "$word"; compgen -f -- "$word") ;;
    build) mapfile -t COMPREPLY < <(compgen -W "--output --include --asset --verbose" -- "$word"; compgen -f -- "$word") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
  esac
}
complete -o filenames -F _rille rille
