"""Load on the whole product from outside: signed deliveries over real HTTP, the processes' own CPU time, the log they leave."""
