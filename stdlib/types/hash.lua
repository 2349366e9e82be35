-- rille.hash, as language servers read it.
---@meta rille.hash

--- Digests, keys from passwords, random bytes.
local hash = {}

---@alias rille.Digest "md5"|"sha1"|"sha224"|"sha256"|"sha384"|"sha512"|"sha512_256"|"sha3_256"|"sha3_512"|"blake2b"|"blake2s"|"xxh64"|"crc32"
---@alias rille.DigestForm "hex"|"raw"

--- The digest of a string, in lowercase hex or as bytes. Each name of rille.Digest is such a function.
---@async
---@param data string
---@param form? rille.DigestForm
---@return string
function hash.sha256(data, form) end
hash.md5, hash.sha1, hash.sha224, hash.sha384, hash.sha512 = hash.sha256, hash.sha256, hash.sha256, hash.sha256, hash.sha256
hash.sha512_256, hash.sha3_256, hash.sha3_512 = hash.sha256, hash.sha256, hash.sha256
hash.blake2b, hash.blake2s, hash.xxh64, hash.crc32 = hash.sha256, hash.sha256, hash.sha256, hash.sha256

--- A digest made piece by piece.
---@class rille.Hash
local Hash = {}

--- Adds data.
---@async
---@param data string
---@return rille.Hash self
---@raise EBUSY while another task updates it; BROKEN after an update was cancelled
function Hash:update(data) end

--- The digest of what was added so far; more may follow.
---@param form? rille.DigestForm
---@return string
function Hash:digest(form) end

function Hash:close() end

--- Begins a digest that is fed piece by piece.
---@param name rille.Digest
---@return rille.Hash
function hash.new(name) end

--- The digest of a regular file.
---@async
---@param path string
---@param name rille.Digest
---@param form? rille.DigestForm
---@return string
---@raise the system error, with the path
function hash.file(path, name, form) end

--- A message authentication code (RFC 2104). `name` is a cryptographic digest.
---@async
---@param name rille.Digest
---@param key string
---@param data string
---@param form? rille.DigestForm
---@return string
function hash.hmac(name, key, data, form) end

--- PBKDF2 (RFC 8018). 600,000 iterations, SHA-256 and 32 bytes if not told otherwise; hex unless `raw`.
---@async
---@param password string
---@param salt string
---@param options? {iterations?: integer, length?: integer, hash?: rille.Digest, raw?: boolean}
---@return string
function hash.pbkdf2(password, salt, options) end

--- scrypt (RFC 7914). n = 2^17, r = 8, p = 1 and 32 bytes if not told otherwise; hex unless `raw`.
---@async
---@param password string
---@param salt string
---@param options? {n?: integer, r?: integer, p?: integer, length?: integer, raw?: boolean}
---@return string
---@raise LIMIT beyond 1 GiB of memory
function hash.scrypt(password, salt, options) end

--- Argon2id (RFC 9106), as the text to store: parameters, salt and tag. A salt is made if none is given. 3 passes over 64 MiB
--- in 4 lanes if not told otherwise; `memory` is in KiB. With `raw`, the tag's bytes alone.
---@async
---@param password string
---@param salt? string
---@param options? {time?: integer, memory?: integer, parallelism?: integer, length?: integer, salt?: string, raw?: boolean}
---@return string
---@overload fun(password: string, options?: table): string
function hash.argon2id(password, salt, options) end

--- Whether `password` is the one that `encoded`, from hash.argon2id, was made of.
---@async
---@param encoded string
---@param password string
---@param limits? {time?: integer, memory?: integer, parallelism?: integer} what a stored text may ask for at most
---@return boolean
---@raise INVALID if the text is malformed, LIMIT if it asks for more
function hash.verify(encoded, password, limits) end

--- Unpredictable bytes, from the kernel.
---@param count integer
---@return string
function hash.random(count) end

--- Compares two secrets in time that depends on their length alone.
---@param a string
---@param b string
---@return boolean
function hash.equal(a, b) end

return hash
