"""The order job: what Wharfinger's runtime, stock Faust, Quix Streams and Kafka Streams are compared on."""
