// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Throws and catches in every way that C++ has, and prints what happened: exceptions.expected is what it has to print.
// (A vector of libc++ ends its last element first; others begin with the first.)
// "uncaught" as first argument ends it with an exception that nothing catches.
#include <cstring>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <vector>

namespace {

// Says when it ends, and so in which order unwinding ends things.
struct Noted {
  std::string name;
  explicit Noted(std::string its_name) : name(std::move(its_name)) { std::cout << " +" << name; }
  Noted(const Noted &) = delete;
  Noted &operator=(const Noted &) = delete;
  ~Noted() { std::cout << " -" << name; }
};

struct Parse_error : std::runtime_error {
  int line;
  Parse_error(const std::string &what, int its_line) : std::runtime_error(what), line(its_line) {}
};

struct Left { virtual ~Left() = default; int left = 1; };
struct Right { virtual ~Right() = default; int right = 2; };
struct Both : Left, Right { int both = 3; };

// The member that is there already ends, the object itself never began.
struct Half_made {
  Noted first{"first"};
  Noted second;
  explicit Half_made(bool fail) : second((fail ? throw std::invalid_argument("half made") : void(), "second")) {}
};

[[gnu::noinline]] int descend(int depth) {
  Noted here("level" + std::to_string(depth));
  if (depth == 0) throw Parse_error("bottom", 42);
  return descend(depth - 1) + 1;
}

void title(const char *name) { std::cout << name << ":"; }
void end_line() { std::cout << "\n"; }

void destructors_run() {
  title("destructors");
  try {
    descend(3);
  } catch (const std::exception &caught) {
    std::cout << " caught " << caught.what() << " line " << dynamic_cast<const Parse_error &>(caught).line;
  }
  end_line();
}

void by_type() {
  title("by type");
  for (int kind = 0; kind < 8; kind++) {
    try {
      switch (kind) {
      case 0: throw 7;
      case 1: throw 2.5;
      case 2: throw "text";
      case 3: throw std::string("string");
      case 4: throw Both();
      case 5: throw std::out_of_range("range");
      case 6: throw new Both();
      default: throw 'c';
      }
    } catch (int number) {
      std::cout << " int " << number;
    } catch (double number) {
      std::cout << " double " << number;
    } catch (const char *text) {
      std::cout << " pointer " << text;
    } catch (const std::string &text) {
      std::cout << " " << text;
    } catch (const Right &right) {
      std::cout << " base " << right.right;
    } catch (const std::logic_error &error) {
      std::cout << " logic " << error.what();
    } catch (Right *right) {
      std::cout << " base pointer " << right->right;
      delete right;
    } catch (...) {
      std::cout << " anything";
    }
  }
  end_line();
}

void nested_and_rethrown() {
  title("nested");
  try {
    try {
      Noted outer("outer");
      try {
        throw std::runtime_error("first");
      } catch (const std::runtime_error &first) {
        Noted inner("inner");
        try {
          throw std::logic_error("second while handling " + std::string(first.what()));
        } catch (const std::logic_error &second) {
          std::cout << " [" << second.what() << "]";
        }
        std::cout << " still " << first.what();
        throw;
      }
    } catch (std::exception &same) {
      std::cout << " again " << same.what();
      std::throw_with_nested(Parse_error("around", 3));
    }
  } catch (const Parse_error &around) {
    std::cout << " " << around.what();
    try {
      std::rethrow_if_nested(around);
    } catch (const std::exception &cause) {
      std::cout << " because of " << cause.what();
    }
  }
  end_line();
}

void through_pointers() {
  title("through pointers");
  int (*pointer)(int) = [](int n) -> int { throw n * 2; };
  std::function<int(int)> function = [&](int n) { Noted caller("caller"); return pointer(n); };
  struct Base { virtual ~Base() = default; virtual void act() const = 0; };
  struct Thrower : Base { void act() const override { throw std::domain_error("virtual"); } };
  const std::unique_ptr<Base> object = std::make_unique<Thrower>();
  try { function(21); } catch (int doubled) { std::cout << " " << doubled; }
  try { object->act(); } catch (const std::domain_error &error) { std::cout << " " << error.what(); }
  end_line();
}

void half_made_objects() {
  title("half made");
  try {
    Half_made whole(false);
    Half_made half(true);
  } catch (const std::invalid_argument &error) {
    std::cout << " " << error.what();
  }
  try {
    std::vector<std::unique_ptr<Noted>> list;
    for (int n = 0; n < 3; n++) list.push_back(std::make_unique<Noted>("e" + std::to_string(n)));
    list.at(7);
  } catch (const std::out_of_range &error) {
    std::cout << " at: " << (std::strlen(error.what()) > 0);
  }
  end_line();
}

void kept_for_later() {
  title("kept");
  std::exception_ptr kept;
  try {
    throw Parse_error("kept", 9);
  } catch (...) {
    kept = std::current_exception();
  }
  for (int n = 0; n < 2; n++) {
    try {
      std::rethrow_exception(kept);
    } catch (const Parse_error &error) {
      std::cout << " " << error.what() << error.line;
    }
  }
  std::cout << " " << std::uncaught_exceptions();
  struct Counter { ~Counter() { std::cout << " " << std::uncaught_exceptions() << " uncaught"; } };
  try { Counter counter; throw 1; } catch (int) {}
  end_line();
}

void from_the_library() {
  title("library");
  try { std::stoi("twelve"); } catch (const std::invalid_argument &) { std::cout << " stoi"; }
  try { std::string("abc").substr(9); } catch (const std::out_of_range &) { std::cout << " substr"; }
  try { std::map<int, int>{{1, 2}}.at(3); } catch (const std::out_of_range &) { std::cout << " map"; }
  try { std::function<void()>()(); } catch (const std::bad_function_call &) { std::cout << " function"; }
  try { Left left; (void)dynamic_cast<Both &>(left); } catch (const std::bad_cast &) { std::cout << " cast"; }
  try { std::vector<int>().reserve(-1); } catch (const std::length_error &) { std::cout << " length"; }
  try { ::operator delete(::operator new(static_cast<size_t>(-1) - 65536)); } catch (const std::bad_alloc &) { std::cout << " alloc"; }
  try {
    std::istringstream in("x");
    in.exceptions(std::ios::failbit);
    int number;
    in >> number;
  } catch (const std::ios_base::failure &) {
    std::cout << " stream";
  }
  end_line();
}

// Enough of them that one which leaks, or is slow to throw, is noticed.
void many() {
  title("many");
  long caught = 0;
  for (int n = 0; n < 20000; n++) {
    try {
      std::string text(static_cast<size_t>(n % 50), 'x');
      if (n % 3 == 0) throw std::runtime_error(text);
      if (n % 3 == 1) throw n;
    } catch (const std::exception &error) {
      caught += static_cast<long>(std::strlen(error.what()));
    } catch (int number) {
      caught += number % 10;
    }
  }
  std::cout << " " << caught;
  end_line();
}

int value_of_try_block(int n)
try {
  if (n > 1) throw n;
  return n;
} catch (int thrown) {
  return -thrown;
}

} // namespace

int main(int argc, char **) {
  if (argc > 1) throw std::runtime_error("nobody catches this");
  destructors_run();
  by_type();
  nested_and_rethrown();
  through_pointers();
  half_made_objects();
  kept_for_later();
  from_the_library();
  many();
  std::cout << "function try block: " << value_of_try_block(1) << " " << value_of_try_block(5) << std::endl;
  return 0;
}
