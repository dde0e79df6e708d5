/* A shop, small enough to read. */

#include "stock.h"
#include <stdio.h>

/* The most items one basket holds. */
#define ITEMS_MAX 10
#define PRICE_OF(item) \
  ((item)->price)

#ifdef SHOP_DEBUG
static int debug_level = 1;
#endif

/* What a customer carries. */
struct basket {
  struct item *items[ITEMS_MAX];
  size_t count;
};

typedef struct {
  long cents;
} price_t;

typedef enum pay {
  PAY_CASH,
  PAY_CARD = 4, /* with a chip */
} pay_t;

typedef int (*basket_cb)(struct basket *basket, void *data);

static const char *const names[] = { "cash", "card" };

int basket_add(struct basket *basket, struct item *item);
struct item **basket_items(struct basket *basket);

/*
 * Adds one item.
 *
 * Full baskets refuse.
 */
int basket_add(struct basket *basket, struct item *item)
{
  if (basket->count >= ITEMS_MAX)
    return -1;
  basket->items[basket->count++] = item;
  return stock_take(item, (price_t *)NULL);
}

static inline struct item *
basket_last(const struct basket *basket)
{
  return basket->ops.last(basket);
}
