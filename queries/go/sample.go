// Package shop is small enough to read.
package shop

import (
	"fmt"
	stock "example.org/shop/stock"
)

// ItemsMax is the most items one basket holds.
const ItemsMax = 10

const (
	// Cash is what lies in the drawer.
	Cash Pay = iota
	Card
)

var (
	// ErrFull says that a basket takes no more.
	ErrFull = fmt.Errorf("full")
	defaultShelf, otherShelf stock.Shelf
)

// Pay is a way to pay.
type Pay int

// Basket is what a customer carries.
//
// The zero value is empty.
type Basket[T any] struct {
	stock.Counter
	items []T
	next  *Basket[T]
}

type (
	// Shelf holds what is for sale.
	Shelf interface {
		fmt.Stringer
		// Take removes one item.
		Take(name string) (Item, error)
		Put(item Item)
	}

	Alias = stock.Item
)

type Item struct{ price Pay }

// New makes an empty basket.
func New[T any](next *Basket[T]) *Basket[T] {
	return &Basket[T]{next: next}
}

// Add adds one item; full baskets refuse.
func (b *Basket[T]) Add(item T) error {
	if len(b.items) >= ItemsMax {
		return ErrFull
	}
	b.items = append(b.items, item)
	return nil
}

func (i Item) String() string {
	local := func() Pay { return Pay(i.price) }
	return fmt.Sprint(local(), Item{price: Card})
}
