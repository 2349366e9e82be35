-- rille.vec, as language servers read it.
---@meta rille.vec

--- Typed numeric vectors.
local vec = {}

---@alias rille.VecType "f64"|"f32"|"i64"|"i32"|"u8"
---@alias rille.VecSource integer|number[]|string|rille.Vec a count of zeroes, a list, bytes, or another vector

--- A fixed number of elements of one type. Methods that change it return it; operators make a new one.
---@class rille.Vec
---@field [integer] number
---@operator add(rille.Vec|number): rille.Vec
---@operator sub(rille.Vec|number): rille.Vec
---@operator mul(rille.Vec|number): rille.Vec
---@operator div(rille.Vec|number): rille.Vec
---@operator idiv(rille.Vec|number): rille.Vec
---@operator unm: rille.Vec
---@operator len: integer
---@field type fun(self): rille.VecType
---@field table fun(self): number[]
---@field bytes fun(self): string as they lie in memory
---@field slice fun(self, from?: integer, to?: integer): rille.Vec a copy
---@field to fun(self, type: rille.VecType): rille.Vec fractions are cut off; raises INVALID for what does not fit
---@field fill fun(self, value: number): rille.Vec
---@field add fun(self, other: rille.Vec|number): rille.Vec
---@field sub fun(self, other: rille.Vec|number): rille.Vec
---@field mul fun(self, other: rille.Vec|number): rille.Vec
---@field div fun(self, other: rille.Vec|number): rille.Vec
---@field idiv fun(self, other: rille.Vec|number): rille.Vec
---@field neg fun(self): rille.Vec
---@field abs fun(self): rille.Vec
---@field floor fun(self): rille.Vec
---@field sqrt fun(self): rille.Vec
---@field exp fun(self): rille.Vec
---@field log fun(self): rille.Vec
---@field clamp fun(self, low: number, high: number): rille.Vec
---@field sort fun(self, options?: {descending?: boolean}): rille.Vec NaN last
---@field prefix_sum fun(self): rille.Vec
---@field sum fun(self): number
---@field mean fun(self): number
---@field dot fun(self, other: rille.Vec): number
---@field min fun(self): number? NaN counts as nothing
---@field max fun(self): number?
---@field argmin fun(self): integer?
---@field argmax fun(self): integer?
---@field histogram fun(self, bins: integer, low: number, high: number): rille.Vec counts; what lies outside is left out

--- A vector of 64-bit floats; the others are of their own type.
---@async
---@param source rille.VecSource
---@return rille.Vec
function vec.f64(source) end
vec.f32, vec.i64, vec.i32, vec.u8 = vec.f64, vec.f64, vec.f64, vec.f64

--- The product of two matrices, row by row: `a` has rows * inner elements, `b` inner * columns.
---@async
---@param a rille.Vec
---@param b rille.Vec
---@param rows integer
---@param inner integer
---@param columns integer
---@return rille.Vec rows * columns
function vec.matmul(a, b, rows, inner, columns) end

return vec
