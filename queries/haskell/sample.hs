{-# LANGUAGE OverloadedStrings #-}

-- | A shop, small enough to read.
module Shop.Basket
  ( Basket (..)
  , add
  ) where

import Data.List (sortOn)
import qualified Data.Map.Strict as Map

-- | The most items one basket holds.
itemsMax :: Int
itemsMax = 10

-- | What a customer carries.
--
-- Full baskets refuse.
data Basket a = Basket
  { owner :: String
  , items, wishes :: [a]
  } -- ^ The only way.
  | Empty
  deriving (Show, Eq)

newtype Price = Price { cents :: Int }

type Shelf = Map.Map String Price

data Expr a where
  Lit :: Int -> Expr Int
  Pair :: Expr a -> Expr b -> Expr (a, b)

-- | Things that are cheaper.
class Show a => Discount a where
  type Unit a
  -- | In percent.
  percent :: a -> Int
  percent _ = 0

-- Baskets are cheap.
instance Show a => Discount (Basket a) where
  percent Empty = 0
  percent basket = length (items basket)

type family Elem c

-- | Adds one item.
add :: a -> Basket a -> Either String (Basket a)
add _ Empty = Left "empty"
add item basket
  | length (items basket) >= itemsMax = Left (full 1)
  | otherwise = Right basket {items = item : items basket}
  where
    full :: Int -> String
    full n = "full " ++ show n

(<+>) :: Price -> Price -> Price
Price a <+> Price b = Price (a + b)
infixl 6 <+>

noSignature x = sortOn cents x

pattern Free :: Price
pattern Free = Price 0

main :: IO ()
main = do
  let basket = Empty
  print (Map.lookup "a" Map.empty)
