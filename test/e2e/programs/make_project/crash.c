// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
  if (fork() == 0) {
    int* volatile p = 0;
    return *p;
  }
  int status;
  wait(&status);
  printf("signal %d\n", WTERMSIG(status));
  return 0;
}
