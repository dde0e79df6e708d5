// A shop, small enough to read.
using System;
using System.Collections.Generic;
using static System.Math;
using Stock = Example.Warehouse.Stock;

namespace Example.Shop
{
    /// <summary>
    /// What a customer carries.
    /// </summary>
    /// <typeparam name="T">what it holds</typeparam>
    [Serializable]
    public partial class Basket<T> : Shelf<T>, ICountable where T : Item
    {
        /// <summary>The most items one basket holds.</summary>
        public const int ItemsMax = 10;
        private static readonly Catalogue catalogue = new Catalogue();
        private readonly List<T> items = new();

        public event EventHandler<FullEventArgs> Full;

        public Basket(Stock stock) : base(stock) { }

        public int Count => items.Count;

        /// <summary>Sum of all prices.</summary>
        public decimal Total
        {
            get { return Sum(items); }
            private set;
        }

        public T this[int index] => items[index];

        /// <summary>
        /// Adds one item. Full baskets refuse.
        /// </summary>
        [Logged("add")]
        public async Task<bool> AddAsync(T item, Card? card = null)
        {
            if (items.Count >= ItemsMax)
            {
                throw new FullException(item);
            }

            bool Accepts(T candidate) => candidate?.Price() > 0;

            items.Add(item);
            return Accepts(item) && await card.ChargeAsync<Receipt>(Max(item.Price, 1));
        }

        public static Basket<T> operator +(Basket<T> left, T right) => left;

        private struct Line
        {
            internal enum Kind
            {
                Cash,
                Card = 4,
            }

            public void Print() => Console.WriteLine(typeof(Line));
        }
    }

    public interface ICountable
    {
        int Count { get; }

        void Clear();
    }

    public record Price(long Cents, string Currency) : Money(Cents);

    public delegate void Paid(Basket<Item> basket);

    public static class BasketExtensions
    {
        public static void Pay(this Basket<Item> basket) => basket.Clear();
    }
}
