-- The worker that this state is, if it is one: its way to its parent.
return {}
