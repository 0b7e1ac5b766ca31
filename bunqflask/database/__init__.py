"""What every service needs of the database: engines, transactions, column types, encryption, leases, upserts."""
