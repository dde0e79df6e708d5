/** A shop, small enough to read. */
package org.example.shop;

import java.util.List;
import static java.util.Objects.requireNonNull;
import org.example.stock.*;

/**
 * What a customer carries.
 *
 * @param <T> what it holds
 */
@Deprecated
public abstract class Basket<T extends Item> extends Shelf<T> implements Countable, Iterable<T> {
  /** The most items one basket holds. */
  public static final int ITEMS_MAX = 10;

  private final List<T> items = new ArrayList<>();

  static {
    Registry.register(Basket.class);
  }

  public Basket(Shelf<T> shelf) {
    super(shelf);
  }

  // Full baskets refuse.
  @Override
  public void add(T item) throws FullException {
    if (items.size() >= ITEMS_MAX) {
      throw new FullException(item);
    }
    items.forEach(Item::count);
  }

  public static class Builder {
    enum Mode {
      /** Refuses at once. */
      STRICT,
      LENIENT {
        @Override
        boolean accepts() {
          return true;
        }
      };

      boolean accepts() {
        return false;
      }
    }

    Basket<Item> build() {
      return new Basket<Item>(null) {};
    }
  }
}

interface Countable {
  String UNIT = "pieces";

  int count();
}

record Price(long cents, String currency) {
  Price {
    requireNonNull(currency);
  }
}

@interface Taxed {
  double rate() default 0.2;
}
