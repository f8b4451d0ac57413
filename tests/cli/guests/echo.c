/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Accepts one connection on the listening socket it was given (number 3) and sends back what it reads. */
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
  char bytes[64];
  int fd = accept(3, 0, 0);
  ssize_t count = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
  return count < 0 || write(fd, bytes, (size_t)count) != count;
}
