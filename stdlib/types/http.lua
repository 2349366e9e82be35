---@meta
-- What handlers of rille.http are given, and what they return.

--- What a handler is given. It may put fields of its own there.
---@class rille.http.Request
---@field method string
---@field target string as it was sent
---@field path string decoded, without the query
---@field raw_path string as it was sent
---@field query table<string, string> the first value of each name
---@field query_string string?
---@field headers table<string, string> by lower-case name, found in any case
---@field cookies table<string, string>
---@field host string?
---@field peer string "address:port"
---@field scheme "http"|"https"
---@field version "1.0"|"1.1"|"2"
---@field body rille.Stream
---@field params table<string, string> of a router's pattern
local Request = {}

--- The whole body, read once and kept.
---@async
---@return string
---@raise LIMIT TIMEOUT ECONNRESET
function Request:text() end

--- The body as JSON; a malformed one is answered with 400.
---@async
---@return any
function Request:json() end

--- The fields of a form; files are tables {name, filename, type, data}.
---@async
---@return table<string, any>
function Request:form() end

--- The parts of a multipart body, one after the other.
---@async
---@param options {parts: integer?, head: integer?}?
---@return fun(): rille.http.Part?
function Request:parts(options) end

--- What a handler returns: a string, or this.
---@class rille.http.Answer
---@field status integer?
---@field headers table<string, string|number|string[]>?
---@field body string|fun(): string?|rille.Stream|nil

---@alias rille.http.Handler fun(request: rille.http.Request): string|rille.http.Answer|table

--- Requests by method, as http.get and its kin.
---@class rille.http.Session
---@field get fun(self, url: string, options?: rille.http.FetchOptions): rille.http.Response
---@field post fun(self, url: string, options?: rille.http.FetchOptions): rille.http.Response
---@field put fun(self, url: string, options?: rille.http.FetchOptions): rille.http.Response
---@field patch fun(self, url: string, options?: rille.http.FetchOptions): rille.http.Response
---@field delete fun(self, url: string, options?: rille.http.FetchOptions): rille.http.Response
---@field head fun(self, url: string, options?: rille.http.FetchOptions): rille.http.Response
---@field options fun(self, url: string, options?: rille.http.FetchOptions): rille.http.Response

--- Handlers by method, as `route` adds them.
---@class rille.http.Router
---@field get fun(self, pattern: string, handler: rille.http.Handler): rille.http.Router
---@field post fun(self, pattern: string, handler: rille.http.Handler): rille.http.Router
---@field put fun(self, pattern: string, handler: rille.http.Handler): rille.http.Router
---@field patch fun(self, pattern: string, handler: rille.http.Handler): rille.http.Router
---@field delete fun(self, pattern: string, handler: rille.http.Handler): rille.http.Router
---@field head fun(self, pattern: string, handler: rille.http.Handler): rille.http.Router
---@field options fun(self, pattern: string, handler: rille.http.Handler): rille.http.Router

local http = {}

--- Makes a request of the method that the function is named after: http.fetch without `url` and `method`.
---@async
---@param url string
---@param options? rille.http.FetchOptions
---@return rille.http.Response
---@raise as http.fetch
function http.get(url, options) end
http.post, http.put, http.patch, http.delete = http.get, http.get, http.get, http.get
http.head, http.options = http.get, http.get

return http
