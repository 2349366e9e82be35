// The same from C++: a runtime that closes itself, and a callback that is a lambda.
//   c++ cpp_host.cpp $(pkg-config --cflags --libs rille)
#include <rille.h>

#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>

class Runtime {
 public:
  Runtime() {
    rille_status status = rille_new(nullptr, &rt_);
    if (status != RILLE_OK) throw std::runtime_error(rille_strerror(status));
  }
  ~Runtime() {
    rille_close(rt_, 0, nullptr, nullptr);
    rille_run(rt_, RILLE_RUN_DEFAULT);
    rille_free(rt_);
  }
  Runtime(const Runtime &) = delete;
  Runtime &operator=(const Runtime &) = delete;

  using Done = std::function<void(rille_status, const std::string &)>;

  void start(const std::string &script, Done done) {
    if (rille_load(rt_, script.data(), script.size(), "=script") != RILLE_OK) {
      throw std::runtime_error(lua_tostring(rille_lua(rt_), -1));
    }
    rille_call_async(rt_, 0, nullptr, on_done, new Done(std::move(done)), nullptr);
  }
  void run() { rille_run(rt_, RILLE_RUN_DEFAULT); }

 private:
  // No exception may leave it, as no Lua error does.
  static void on_done(void *ud, rille_call *, rille_status status, lua_State *results, int count) {
    auto *done = static_cast<Done *>(ud);
    const char *text = count > 0 ? lua_tostring(results, -count) : nullptr;
    (*done)(status, text ? text : "");
    delete done;
  }
  rille_runtime *rt_ = nullptr;
};

int main() {
  int good = 0;
  Runtime runtime;
  for (int i = 1; i <= 3; i++) {
    std::string script = "require('rille').sleep(0.01 * (4 - " + std::to_string(i) +
                         ")) return 'task " + std::to_string(i) + "'";
    runtime.start(script, [&good](rille_status status, const std::string &text) {
      std::cout << rille_strerror(status) << ": " << text << "\n";
      good += status == RILLE_OK;
    });
  }
  runtime.run();
  return good == 3 ? 0 : 1;
}
