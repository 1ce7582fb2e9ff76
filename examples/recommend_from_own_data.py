"""From a table of orders to recommendations: python recommend_from_own_data.py [orders.csv].

The file has the columns customer, product and time; without a file, orders are generated.
"""

import random
import sys
from pathlib import Path

import pandas as pd

from recbole_cl import load, run


def made_up_orders(customers: int = 200, products: int = 40) -> pd.DataFrame:
    """Generates orders of customers who mostly take the product after the last one."""
    rng = random.Random(1)
    rows = []
    for customer in range(customers):
        product = rng.randrange(products)
        for day in range(8):
            product = (product + rng.choice([1, 1, 1, 2])) % products
            rows.append((f"customer{customer}", f"product{product}", pd.Timestamp(2024, 5, 1 + day)))
    return pd.DataFrame(rows, columns=["customer", "product", "time"])


def main(orders: pd.DataFrame, customers: list[str], k: int = 3, **settings: object) -> pd.DataFrame:
    """Trains DuoRec on orders.

    Args:
        orders: One row per order, with the columns customer, product and time.
        customers: The customers to recommend to.
        k: Number of products to recommend to each.
        **settings: Settings of the run.

    Returns:
        Each customer's k best products that the customer has not ordered yet: user, rank, item, score.
    """
    result = run("DuoRec", orders, user="customer", item="product", time="time", name="orders", **settings)
    return load(result).recommend(customers, k=k)


if __name__ == "__main__":
    table = pd.read_csv(Path(sys.argv[1])) if sys.argv[1:] else made_up_orders()
    first = [str(name) for name in table["customer"].unique()[:2]]
    print(main(table, first, epochs=20, train_form="sequence", train_batch_size=32))
