#pragma once
/// A list that a signal handler may read: what is to be known when the program ends where it stands.

#include <unistd.h>

#include <atomic>
#include <mutex>

namespace fathom {

/// add() and remove() from any thread; visit() from a signal handler, which must end the program afterwards:
/// from then on entries stay as they are, and a thread that would add one waits for the end.
template <class T>
class SignalList {
 public:
  /// fill(T&) sets the new entry.
  template <class Fill>
  void add(Fill&& fill) {
    const std::lock_guard lock(mutex_);
    // An entry that the handler has seen as set must not be written over while it reads.
    while (read_) ::pause();
    Node* node = head_;
    while (node != nullptr && node->set) node = node->next;
    const bool made = node == nullptr;
    if (made) node = new Node;
    fill(node->value);
    node->set = true;
    if (made) {
      node->next = head_;
      head_ = node;
    }
  }
  /// Removes the entry that match(const T&) names, if there is one.
  template <class Match>
  void remove(Match&& match) {
    const std::lock_guard lock(mutex_);
    for (Node* node = head_; node != nullptr; node = node->next) {
      if (!node->set || !match(node->value)) continue;
      node->set = false;
      return;
    }
  }
  /// visit(const T&) each entry; async-signal-safe if it is.
  template <class Visit>
  void visit(Visit&& visit) {
    read_ = true;
    for (const Node* node = head_; node != nullptr; node = node->next) {
      if (node->set) visit(node->value);
    }
  }

 private:
  struct Node {  // lives as long as the program
    std::atomic<bool> set = false;
    T value{};
    Node* next = nullptr;
  };
  std::mutex mutex_;
  std::atomic<Node*> head_ = nullptr;
  std::atomic<bool> read_ = false;
};

}  // namespace fathom
