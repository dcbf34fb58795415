// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
//
// LineDiscipline: what termios(3) describes between the two ends of a terminal. Bytes that the user
// types come in by Input(); what a program reads goes out by Read(). Bytes that programs write are
// translated by Output() into what the terminal shows. No locks, no tasks: its Tty guards it.

#ifndef CVISOR_PKG_SENTRY_FS_DEVPTS_LINE_DISCIPLINE_H_
#define CVISOR_PKG_SENTRY_FS_DEVPTS_LINE_DISCIPLINE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "pkg/abi/linux/termios.h"

namespace cvisor::fs::devpts {

class LineDiscipline {
 public:
  // N_TTY_BUF_SIZE: the longest line, and how much unread input is kept.
  static constexpr size_t kMaxInput = 4096;
  // Output that the other end has not read yet.
  static constexpr size_t kMaxOutput = 65536;

  LineDiscipline();

  const linux_abi::KernelTermios& termios() const { return termios_; }
  void SetTermios(const linux_abi::KernelTermios& t);

  // The user types. Returns how many bytes were taken (the buffer may be full). Signals for the
  // foreground group (SIGINT, SIGQUIT, SIGTSTP) are appended to *signals.
  size_t Input(std::string_view bytes, std::vector<int>* signals);
  // A program writes. Returns how many bytes were taken.
  size_t Output(std::string_view bytes);

  // Can a read return something now? In canonical mode that is a line, or an end of file.
  bool ReadReady() const;
  // Number of bytes that a read could get (FIONREAD).
  size_t ReadableBytes() const;
  // Takes what one read(2) of at most `max` bytes returns; empty with ReadReady(): end of file.
  std::string Read(size_t max);

  // What the terminal shows.
  std::string& output() { return output_; }
  const std::string& output() const { return output_; }
  bool output_stopped() const { return output_stopped_; }  // ^S
  void set_output_stopped(bool s) { output_stopped_ = s; }

  void FlushInput();
  void FlushOutput() { output_.clear(); }

  bool canonical() const;
  uint8_t cc(int index) const { return termios_.cc[index]; }

 private:
  void InputByte(uint8_t c, std::vector<int>* signals);
  void CanonicalByte(uint8_t c);
  void OutputByte(uint8_t c);
  void Echo(uint8_t c);
  void EraseOne();
  void EraseWord();
  void KillLine();
  size_t EchoWidth(size_t index) const;
  void Append(std::string_view bytes, bool boundary);
  bool Is(uint8_t c, int index) const;

  linux_abi::KernelTermios termios_;
  std::string line_;   // canonical mode: being edited
  std::string ready_;  // may be read
  // Canonical mode: ends of lines in ready_, as offsets from the first byte ever made ready.
  std::deque<uint64_t> boundaries_;
  uint64_t consumed_ = 0;
  bool literal_next_ = false;
  bool output_stopped_ = false;
  size_t column_ = 0;
  std::string output_;
};

}  // namespace cvisor::fs::devpts

#endif  // CVISOR_PKG_SENTRY_FS_DEVPTS_LINE_DISCIPLINE_H_
