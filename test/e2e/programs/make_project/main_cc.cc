// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <map>
#include <regex>
#include <thread>
#include <vector>
#include "shapes.h"
int main() {
  std::cout << MakeShape("square", 3)->Area() << "\n";
  try {
    MakeShape("ring", 1);
  } catch (const std::exception& e) {
    std::cout << e.what() << "\n";
  }
  std::atomic<int> n{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) threads.emplace_back([&] { for (int k = 0; k < 10000; ++k) ++n; });
  for (auto& t : threads) t.join();
  std::cout << n << " " << std::async(std::launch::async, [] { return 42; }).get() << "\n";
  std::ofstream("made.txt") << "made\n";
  std::cout << std::filesystem::file_size("made.txt") << "\n";
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  std::cout << std::regex_replace(std::string("a-b-c"), std::regex("-"), "+") << std::endl;
}
