-- Makes the documents that the JSON programs read, in build/bench/json: like tweets, numbers, strings.
local dir = (os.getenv("BUILD") or "build") .. "/bench/json"
os.execute("mkdir -p " .. dir)
math.randomseed(11)

local words = {}
for w in ([[loop task scope wait sleep wake queue batch cold warm river stone paper light ночь 東京 naïve café
  "quoted" back\slash]]):gmatch("%S+") do
  words[#words + 1] = w
end

local function quote(text)
  return '"' .. text:gsub('["\\]', "\\%0"):gsub("\n", "\\n") .. '"'
end

local function sentence(count)
  local list = {}
  for i = 1, count do list[i] = words[math.random(#words)] end
  return table.concat(list, " ")
end

local function tweet(i)
  return ([[{"id": %d, "id_str": "%d", "text": %s, "truncated": false, "in_reply_to": null,
    "user": {"id": %d, "name": %s, "followers": %d, "verified": %s, "location": %s},
    "entities": {"hashtags": [{"text": "t%d", "indices": [%d, %d]}], "urls": []},
    "retweets": %d, "score": %.3f}]]):format(500000000000 + i, 500000000000 + i, quote(sentence(16)),
    math.random(1 << 30), quote(sentence(2)), math.random(100000), tostring(math.random() < 0.1),
    quote(sentence(1)), i, math.random(60), 60 + math.random(60), math.random(1000), math.random())
end

local function numbers(i)
  return i % 2 == 0 and ("%d"):format(math.random(-1 << 40, 1 << 40)) or ("%.17g"):format(math.random() * 360 - 180)
end

local function document(name, count, item)
  local list = {}
  for i = 1, count do list[i] = item(i) end
  local file <close> = assert(io.open(dir .. "/" .. name .. ".json", "w"))
  file:write("[", table.concat(list, ",\n"), "]\n")
end

document("tweets", 1500, tweet)
document("numbers", 40000, numbers)
document("strings", 5000, function() return quote(sentence(math.random(4, 30)) .. "\n") end)
