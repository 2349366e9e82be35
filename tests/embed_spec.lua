-- librille as others get it: installed, found by pkg-config and CMake, its symbols, and the hosts of examples/embed.
local program = arg[-1]
local build = program:match "^(.*)/[^/]*$" or "."
local prefix = os.tmpname()
local sanitizers = ""

local function sh(command)
  local pipe = assert(io.popen(("{ %s ; } 2>&1"):format(command)))
  local output = pipe:read "a"
  local _, _, status = pipe:close()
  return output, status
end

local function must(command)
  local output, status = sh(command)
  assert.equal(0, status, command .. "\n" .. output)
  return output
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function compile(source, compiler, packages, after)
  local binary = prefix .. "/" .. source:match "([^/]+)%.%w+$"
  must(("export PKG_CONFIG_PATH=$(dirname $(find %s -name rille.pc)); %s -Wall -Wextra %s %s %s -o %s " ..
    "$(pkg-config --cflags --libs rille %s) -lpthread"):format(prefix, compiler, sanitizers, source, after or "", binary,
    packages or ""))
  return binary
end

local function run(binary)
  return sh(("LD_LIBRARY_PATH=$(dirname $(find %s -name librille.so.0)) timeout -s KILL 20 %s"):format(prefix, binary))
end

describe("librille", function()
  setup(function()
    os.remove(prefix)
    local cache = read(build .. "/CMakeCache.txt")
    local sanitize = cache:match "RILLE_SANITIZE:%w+=(%S+)"
    if sanitize then sanitizers = "-fsanitize=" .. sanitize end
    must(("cmake --install %s --prefix %s"):format(build, prefix))
  end)

  teardown(function() os.execute("rm -rf " .. prefix .. " " .. prefix .. "-deb") end)

  it("exports what is on the list, and nothing else", function()
    local exported = must(("nm -D --defined-only $(find %s -name librille.so.0) | awk '{print $3}' | sed 's/@.*//' " ..
      "| grep -v '^RILLE_' | grep -v '^__' | sort"):format(prefix))
    assert.equal(read "tests/embed/symbols.txt", exported)
  end)

  it("declares in its header what it exports", function()
    local header = read(prefix .. "/include/rille.h")
    for name in io.lines "tests/embed/symbols.txt" do
      assert.matches(name .. "(", header, 1, true)
    end
  end)

  for _, how in ipairs { "cc -std=c99", "cc -std=c11", "c++ -std=c++11 -xc++", "c++ -std=c++17 -xc++" } do
    it("keeps the promises of its header to " .. how:match "=(%S+)", function()
      local binary = compile("tests/embed/contract.c", how .. " -Wpedantic -Werror", nil, "-x none")
      local output, status = run(binary)
      assert.equal(0, status, output)
    end)
  end

  it("links statically with what pkg-config --static says", function()
    local dir = prefix .. "/static"
    must(("mkdir %s && cp $(find %s -name librille.a) %s"):format(dir, prefix, dir))
    must(("export PKG_CONFIG_PATH=$(dirname $(find %s -name rille.pc)); cc -std=c11 -Wall -Wextra %s tests/embed/contract.c " ..
      "$(pkg-config --cflags rille) -L%s $(pkg-config --static --libs-only-l rille) -o %s/host"):format(prefix, sanitizers,
      dir, dir))
    assert.equal("", (sh(("ldd %s/host | grep rille"):format(dir))))
    local output, status = sh(("timeout -s KILL 20 %s/host"):format(dir))
    assert.equal(0, status, output)
  end)

  it("is two Debian packages, with which a host builds and the program runs", function()
    if sanitizers ~= "" or select(2, sh "command -v cpack && command -v dpkg-shlibdeps") ~= 0 then
      pending "this is not Debian, or a build for checks"
    end
    local root = prefix .. "-deb"
    must(("cpack --config %s/CPackConfig.cmake -B %s"):format(build, root))
    must(("for d in %s/rille_*.deb %s/rille-dev_*.deb; do dpkg -x $d %s/root || exit 1; done"):format(root, root, root))
    must(("cc -std=c99 tests/embed/contract.c $(PKG_CONFIG_PATH=$(dirname $(find %s/root -name rille.pc)) " ..
      "pkg-config --cflags --libs rille) -o %s/host"):format(root, root))
    must(("LD_LIBRARY_PATH=$(dirname $(find %s/root -name librille.so.0)) timeout -s KILL 20 %s/host"):format(root, root))
    assert.equal("42\n", (must(("%s/root/usr/bin/rille -e 'print(6 * 7)'"):format(root))))
    must(("test -e %s/root/usr/share/man/man1/rille.1"):format(root))
  end)

  it("has a SONAME", function()
    assert.matches("librille.so.0", must(("objdump -p $(find %s -name librille.so.0) | grep SONAME"):format(prefix)), 1, true)
  end)

  for name, shown in pairs {
    ["minimal.c"] = "success: hello from a task",
    ["host_functions.c"] = "success: sum 3, primes 9592",
    ["epoll_host.c"] = "host: it slept between events",
    ["threads.c"] = "total 8000",
    ["plugins.c"] = "the others went on",
    ["cpp_host.cpp"] = "success: task 1",
  } do
    it("runs examples/embed/" .. name, function()
      if name == "plugins.c" and sanitizers:find "thread" then pending "its limit is a signal, which TSan holds back" end
      local binary = compile("examples/embed/" .. name, name:match "%.cpp$" and "c++ -std=c++17" or "cc -std=gnu99")
      local output, status = run(binary)
      assert.equal(0, status, output)
      assert.matches(shown, output, 1, true)
    end)
  end

  it("runs examples/embed/glib_host.c", function()
    if select(2, sh "pkg-config --exists glib-2.0") ~= 0 then pending "GLib's headers are not installed" end
    local output, status = run(compile("examples/embed/glib_host.c", "cc -std=gnu99", "glib-2.0"))
    assert.equal(0, status, output)
    assert.matches("host: it slept between events", output, 1, true)
  end)

  it("is found by CMake, shared and static", function()
    local dir = prefix .. "/client"
    must("mkdir " .. dir)
    local file = assert(io.open(dir .. "/CMakeLists.txt", "w"))
    file:write(([[
cmake_minimum_required(VERSION 3.25)
project(client C)
find_package(rille REQUIRED)
foreach(kind rille static)
  add_executable(client_${kind} %s/minimal.c)
  target_compile_options(client_${kind} PRIVATE %s)
  target_link_options(client_${kind} PRIVATE %s)
  target_link_libraries(client_${kind} PRIVATE rille::${kind})
endforeach()
]]):format(must("pwd"):gsub("\n", "") .. "/examples/embed", sanitizers, sanitizers))
    file:close()
    must(("cmake -G Ninja -S %s -B %s/b -DCMAKE_PREFIX_PATH=%s && cmake --build %s/b"):format(dir, dir, prefix, dir))
    assert.matches("hello from a task", (run(dir .. "/b/client_rille")), 1, true)
    assert.matches("hello from a task", (run(dir .. "/b/client_static")), 1, true)
    assert.equal("", (sh(("ldd %s/b/client_static | grep rille"):format(dir))))
  end)
end)
