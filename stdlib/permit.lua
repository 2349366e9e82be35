-- rille.permitted: what the options --allow-... and --deny-... permit. Documented in types/rille.lua.
return { permitted = require("rille.native.permit").permitted }
