// Copyright 2026 The cvisor Authors. SPDX-License-Identifier: Apache-2.0
#ifndef SHAPES_H_
#define SHAPES_H_
#include <memory>
#include <string>
struct Shape {
  virtual ~Shape() = default;
  virtual double Area() const = 0;
};
std::unique_ptr<Shape> MakeShape(const std::string& name, double size);
#endif
