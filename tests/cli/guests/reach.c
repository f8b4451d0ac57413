/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* reach.wasm FOLDER NAME: tries all that can be done to a folder and to a file in it, and says what could be done. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void tell(const char *what, int could) { printf("%s: %s\n", could ? "reached" : "refused", what); }

static int closes(int fd) { return fd >= 0 ? close(fd), 1 : 0; }

int main(int argc, char **argv) {
  char file[512], moved[512];
  struct stat status;
  if (argc != 3) return 2;
  const char *folder = argv[1];
  snprintf(file, sizeof file, "%s/%s", folder, argv[2]);
  snprintf(moved, sizeof moved, "%s-moved", folder);
  tell("a look at the file", stat(file, &status) == 0);
  DIR *listing = opendir(folder);
  tell("its names", listing != NULL);
  if (listing) closedir(listing);
  tell("the folder", closes(open(folder, O_RDONLY | O_DIRECTORY)));
  tell("reading", closes(open(file, O_RDONLY)));
  tell("writing", closes(open(file, O_WRONLY)));
  snprintf(file, sizeof file, "%s/made", folder);
  tell("making", closes(open(file, O_WRONLY | O_CREAT, 0600)));
  tell("making a folder", mkdir(file, 0700) == 0);
  snprintf(file, sizeof file, "%s/%s", folder, argv[2]);
  tell("removing", unlink(file) == 0);
  int can_move = strstr(folder, "link") == NULL && rename(folder, moved) == 0;
  tell("moving the folder", can_move);
  if (can_move) rename(moved, folder);
  return 0;
}
