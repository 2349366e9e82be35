-- rille.text, as language servers read it.
---@meta rille.text

--- Encodings of text and bytes.
local text = {}

--- RFC 4648, section 4.
---@async
---@param data string
---@param options? {pad?: boolean} padding, by default true
---@return string
function text.base64_encode(data, options) end

--- The bytes that base64_encode was given. Strict: no line breaks, no stray bits.
---@async
---@param coded string
---@param options? {pad?: boolean} whether padding is required, by default true
---@return string
---@raise INVALID with the byte that cannot be
function text.base64_decode(coded, options) end

--- RFC 4648, section 5: for URLs and file names; no padding by default.
---@async
---@param data string
---@param options? {pad?: boolean}
---@return string
function text.base64url_encode(data, options) end

--- The bytes that base64url_encode was given; padding may be there.
---@async
---@param coded string
---@param options? {pad?: boolean}
---@return string
---@raise INVALID with the byte that cannot be
function text.base64url_decode(coded, options) end

--- Two hexadecimal digits for each byte.
---@async
---@param data string
---@return string lowercase
function text.hex_encode(data) end

--- The bytes of hexadecimal digits, in either case.
---@async
---@param coded string
---@return string
---@raise INVALID with the byte that cannot be
function text.hex_decode(coded) end

--- Percent-encodes a component of a URL: all but letters, digits and "-._~".
---@async
---@param data string
---@param options? {form?: boolean} a space becomes "+"
---@return string
function text.url_encode(data, options) end

--- The way back from url_encode.
---@async
---@param coded string
---@param options? {form?: boolean} "+" becomes a space
---@return string
---@raise INVALID with the byte that cannot be
function text.url_decode(coded, options) end

--- Whether a text is UTF-8, without surrogates and overlong forms (RFC 3629).
---@async
---@param data string
---@return boolean valid
---@return integer? byte where the first sequence begins that cannot be
function text.utf8_valid(data) end

--- The words as a shell would have to read them to get them unchanged.
---@param ... string
---@return string
function text.shell_quote(...) end

return text
