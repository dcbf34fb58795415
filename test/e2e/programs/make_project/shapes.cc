// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
#include "shapes.h"
#include <stdexcept>
namespace {
struct Square : Shape {
  explicit Square(double s) : s(s) {}
  double Area() const override { return s * s; }
  double s;
};
}  // namespace
std::unique_ptr<Shape> MakeShape(const std::string& name, double size) {
  if (name == "square") return std::make_unique<Square>(size);
  throw std::invalid_argument("no such shape: " + name);
}
