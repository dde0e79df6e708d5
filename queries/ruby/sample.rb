# frozen_string_literal: true

require 'set'
require_relative 'stock'

# A shop, small enough to read.
module Shop
  VERSION = '1.0'

  class Full < StandardError; end

  # What a customer carries.
  #
  # Full baskets refuse.
  class Basket < Stock::Shelf
    include Enumerable
    extend Stock::Counting

    ITEMS_MAX = 10
    autoload :Receipt, 'shop/receipt'

    attr_reader :items, :owner

    def initialize(owner)
      super()
      @owner = owner
    end

    # Adds one item.
    def <<(item)
      raise Full, item if full?

      @items << item
      self
    end

    def full? = @items.size >= ITEMS_MAX

    def total=(value)
      log(value)
    end

    alias count total

    # Makes an empty basket.
    def self.for(owner)
      new(owner)
    end

    class << self
      def registry
        @registry ||= Set.new
      end

      private

      def reset!
        registry.clear
      end
    end

    define_method(:each) do |&block|
      @items.each(&block)
    end

    class Line
      def print(out = $stdout)
        out.puts(Shop::Printer.line(self))
      end
    end
  end
end

class Shop::Till
  def open; end
end

def checkout(basket)
  basket.pay { |card| card.charge }
end
