// The program: a client of rille.h.
#include "lua/host/program.h"

int main(int argc, char **argv) { return rl_program_main(argc, argv); }
