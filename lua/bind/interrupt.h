// Ends the Lua code that a state runs now: called on the state's own thread, from a signal handler.
#ifndef RL_BIND_INTERRUPT_H
#define RL_BIND_INTERRUPT_H

// `state` is an rl_state. Every Lua instruction of the running coroutine raises an error from now
// on, so that no pcall holds it. C functions run to their end.
void rl_interrupt(void *state);

#endif
