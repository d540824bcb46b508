"""The GraphQL that the sender speaks (Admin API 2026-04)."""

from __future__ import annotations

__all__ = ["FULFILLMENT_CREATE", "HOLD", "NODE", "ORDER", "ORDER_CANCEL", "RETURN"]

ORDER = """
query WharfOrder($id: ID!) {
  order(id: $id) {
    id
    cancelledAt
    fulfillments(first: 100) {
      id
      status
      trackingInfo { number }
      fulfillmentLineItems(first: 250) { nodes { quantity lineItem { id } } }
    }
    fulfillmentOrders(first: 100) {
      nodes {
        id
        status
        updatedAt
        assignedLocation { location { id } }
        fulfillmentHolds { reason reasonNotes heldByRequestingApp }
        lineItems(first: 250) { nodes { id remainingQuantity lineItem { id } } }
      }
    }
  }
}
"""

FULFILLMENT_CREATE = """
mutation WharfFulfil($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) {
    fulfillment { id status }
    userErrors { field message }
  }
}
"""

ORDER_CANCEL = """
mutation WharfCancel(
  $orderId: ID!, $reason: OrderCancelReason!, $refundMethod: OrderCancelRefundMethodInput!,
  $restock: Boolean!, $notifyCustomer: Boolean, $staffNote: String
) {
  orderCancel(
    orderId: $orderId, reason: $reason, refundMethod: $refundMethod,
    restock: $restock, notifyCustomer: $notifyCustomer, staffNote: $staffNote
  ) {
    job { id done }
    orderCancelUserErrors { field message code }
  }
}
"""

HOLD = """
mutation WharfHold($id: ID!, $hold: FulfillmentOrderHoldInput!) {
  fulfillmentOrderHold(id: $id, fulfillmentHold: $hold) {
    fulfillmentHold { id }
    userErrors { field message code }
  }
}
"""

NODE = """
query WharfNode($id: ID!) {
  node(id: $id) {
    ... on Order { id }
    ... on Refund { order { id } }
    ... on OrderTransaction { order { id } }
    ... on Fulfillment { order { id } }
    ... on FulfillmentOrder { order { id } }
  }
}
"""

RETURN = """
query WharfReturn($id: ID!) {
  return(id: $id) {
    id
    name
    status
    order { id }
    returnLineItems(first: 250) {
      nodes {
        ... on ReturnLineItem {
          quantity
          returnReason
          returnReasonNote
          customerNote
          fulfillmentLineItem { lineItem { id sku } }
        }
      }
    }
  }
}
"""
