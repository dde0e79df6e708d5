// A shop, small enough to read.
#include "stock.hpp"
#include <vector>

using std::vector;

#define SHOP_CHECK(condition) check(condition, #condition)

namespace shop {
namespace detail {

/// The most items one basket holds.
constexpr int items_max = 10;

template <typename T>
concept Priced = requires(T item) { item.price(); };

}  // namespace detail

enum class Pay : int { cash, card };

/**
 * What a customer carries.
 */
template <typename T, typename A = std::allocator<T>>
class Basket final : public Counter, private detail::Shelf<T> {
 public:
  using Items = vector<T>;

  explicit Basket(A allocator);
  ~Basket() override = default;
  Basket& operator=(const Basket& other) = delete;

  /// Adds one item.
  void add(T item);
  T* last() const;

  int count() const noexcept { return static_cast<int>(items_.size()); }
  operator bool() const { return count() > 0; }

  struct Iterator {
    T* at;
    T& operator*() const { return *at; }
  };

 private:
  Items items_;
};

// Full baskets refuse.
template <typename T, typename A>
void Basket<T, A>::add(T item) {
  SHOP_CHECK(count() < detail::items_max);
  auto local = [&](T& it) { return it.price(); };
  items_.push_back(std::move(item));
}

static Pay* pay_of(const Till& till);

Pay Till::Drawer::open(Pay pay) {
  return std::max<Pay>(pay, this->last());
}

}  // namespace shop

shop::Till::~Till() { close(new Receipt()); }

typedef struct {
  long cents;
} price_t;

extern "C" int shop_main(int argc, char** argv) {
  return 0;
}
