// File jobs, run at once on this thread: what they do, and what they blame when they cannot.
#include "runtime/io/fs.h"

#include "tests/unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static char *root;

static rl_fs *job(int (*call)(rl_fs *), const char *name, const char *to) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", root, name);
  rl_fs *fs = rl_fs_new(call, path, to);
  EXPECT(fs != NULL);
  fs->other = -1;
  fs->limit = 1 << 20;
  return fs;
}

static int run(rl_fs *fs) { return fs->work.run(&fs->work); }

static int simply(int (*call)(rl_fs *), const char *name, int64_t number, int64_t other) {
  rl_fs *fs = job(call, name, NULL);
  fs->number = number;
  fs->other = other;
  int status = run(fs);
  rl_fs_drop(&fs->work);
  return status;
}

static void put(const char *name, const char *text, int64_t how) {
  rl_fs *fs = job(rl_fs_write, name, NULL);
  fs->number = how;
  fs->data = text;
  fs->size = strlen(text);
  EXPECT(run(fs) == 0);
  rl_fs_drop(&fs->work);
}

static bool holds(const char *name, const char *text) {
  rl_fs *fs = job(rl_fs_read, name, NULL);
  bool same = run(fs) == 0 && fs->out_size == strlen(text) && !memcmp(fs->out, text, fs->out_size);
  rl_fs_drop(&fs->work);
  return same;
}

static void test_contents(void) {
  put("a", "one", 0);
  EXPECT(holds("a", "one"));
  put("a", " two", RL_FS_APPEND);
  EXPECT(holds("a", "one two"));
  put("a", "three", RL_FS_ATOMIC);
  EXPECT(holds("a", "three"));
}

static void test_blame(void) {
  rl_fs *fs = job(rl_fs_read, "none", NULL);
  EXPECT(run(fs) == -ENOENT);
  EXPECT(!strcmp(fs->op, "open") && !strcmp(fs->at, fs->path));
  rl_fs_drop(&fs->work);
  put("file", "", 0);
  fs = job(rl_fs_mkdirs, "file/x/y", NULL);
  fs->other = 0777;
  EXPECT(run(fs) == -ENOTDIR);
  EXPECT(!strcmp(fs->op, "mkdir") && !strcmp(strrchr(fs->at, '/'), "/file"));
  rl_fs_drop(&fs->work);
}

static void test_tree(void) {
  put("kept", "kept", 0);
  EXPECT(simply(rl_fs_mkdirs, "tree/a/b/c", 0, 0777) == 0);
  put("tree/a/b/file", "", 0);
  char name[512];
  snprintf(name, sizeof name, "%s/tree/a/out", root);
  EXPECT(symlink(root, name) == 0);
  EXPECT(simply(rl_fs_remove_tree, "tree", 0, 0) == 0);
  EXPECT(simply(rl_fs_exists, "tree", 0, 0) == 0);
  EXPECT(holds("kept", "kept"));
  EXPECT(simply(rl_fs_remove_tree, ".", 0, 0) == -EINVAL);
}

static void test_cancelled(void) {
  put("old", "old", 0);
  rl_fs *fs = job(rl_fs_write, "old", NULL);
  fs->number = RL_FS_ATOMIC;
  fs->data = "new";
  fs->size = 3;
  atomic_store(&fs->work.cancelled, true);
  EXPECT(run(fs) < 0);
  rl_fs_drop(&fs->work);
  EXPECT(holds("old", "old"));
}

int main(void) {
  rl_fs *dir = rl_fs_new(rl_fs_temp_dir, "/tmp", "rille-fs-test-");
  EXPECT(run(dir) == 0);
  root = dir->out;
  dir->made = false;
  test_contents();
  test_blame();
  test_tree();
  test_cancelled();
  rl_fs *fs = rl_fs_new(rl_fs_remove_tree, root, NULL);
  EXPECT(run(fs) == 0);
  rl_fs_drop(&fs->work);
  rl_fs_drop(&dir->work);
  return test_result();
}
