package shop
package basket

import scala.collection.mutable.{ArrayBuffer, Map => MutableMap}
import shop.stock._

/** What a customer carries.
  *
  * Full baskets refuse.
  */
@deprecated("use Cart", "1.2")
final case class Basket[A <: Shelf](owner: String, items: List[A] = Nil) extends Carrier(owner) with Iterable[A] {
  val total: Long = items.map(_.price).sum
  private var open = true

  /** Adds one item. */
  @throws[Full]
  def add(item: A): Basket[A] = {
    def remember() = items :+ item
    if (items.size >= Basket.ItemsMax) throw new Full(item.name)
    copy(items = remember())
  }

  override def iterator: Iterator[A] = items.iterator
}

object Basket {
  /** The most items one basket holds. */
  final val ItemsMax = 10

  type Price = Long

  implicit def ordering[A <: Shelf]: Ordering[Basket[A]] = Ordering.by(_.total)

  implicit class Checkout(val basket: Basket[_]) extends AnyVal {
    def checkout(pay: Pay): Price = pay.apply(basket.total)
  }
}

class Full(message: String) extends Exception(message)

sealed trait Discount {
  type Unit
  def percent: Int
  def apply(price: Long): Long
}

package object prices {
  def free: Long = 0L
}

// Scala 3 from here.
enum Pay(val fee: Int) extends Discount:
  case Cash extends Pay(0)
  case Card(number: String)

  def apply(price: Long): Long = price + fee
end Pay

extension (basket: Basket[_])
  def isEmpty: Boolean = basket.items.isEmpty
  def first = basket.items.head

given basketOrder: Ordering[Basket[_]] with
  def compare(a: Basket[_], b: Basket[_]): Int = a.total.compare(b.total)

@main def run(args: String*): Unit =
  println(args.mkString)

/** Nothing is left.
  */
def none =
  false

// The last one.
def last = true
