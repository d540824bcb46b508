"""The GraphQL that the sender speaks (Admin API 2026-04)."""

from __future__ import annotations

__all__ = [
    "CREDIT",
    "FULFILLMENT_CREATE",
    "NODE",
    "ORDER",
    "ORDER_CANCEL",
    "REFUND_CREATE",
    "RETURN",
    "RETURNABLE",
    "RETURN_APPROVE",
    "RETURN_CANCEL",
    "RETURN_CLOSE",
    "RETURN_CREATE",
    "RETURN_DECLINE",
    "RETURN_PROCESS",
    "RETURN_REOPEN",
    "RETURN_UNITS",
]

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

CREDIT = """
query WharfCredit($id: ID!) {
  order(id: $id) {
    id
    currencyCode
    presentmentCurrencyCode
    transactions(first: 250) {
      id
      kind
      status
      gateway
      amountSet { presentmentMoney { amount currencyCode } }
      parentTransaction { id }
    }
    refunds(first: 250) { id note }
  }
}
"""

REFUND_CREATE = """
mutation WharfRefund($input: RefundInput!, $key: String!) {
  refundCreate(input: $input) @idempotent(key: $key) {
    refund { id }
    userErrors { field message }
  }
}
"""

RETURN_UNITS = """
query WharfReturnUnits($id: ID!) {
  return(id: $id) {
    id
    status
    order { id }
    refunds(first: 250) {
      nodes { id note totalRefundedSet { presentmentMoney { amount currencyCode } } }
    }
    returnLineItems(first: 250) {
      nodes {
        ... on ReturnLineItem {
          id
          quantity
          processableQuantity
          processedQuantity
          fulfillmentLineItem { lineItem { id } }
        }
      }
    }
  }
}
"""

RETURN_PROCESS = """
mutation WharfReturnProcess($input: ReturnProcessInput!) {
  returnProcess(input: $input) {
    return { id refunds(first: 250) { nodes { id note } } }
    userErrors { field message code }
  }
}
"""

RETURNABLE = """
query WharfReturnable($id: ID!) {
  returnableFulfillments(orderId: $id, first: 100) {
    nodes {
      returnableFulfillmentLineItems(first: 250) {
        nodes { quantity fulfillmentLineItem { id lineItem { id } } }
      }
    }
  }
  order(id: $id) {
    id
    returns(first: 100) {
      nodes {
        id
        status
        returnLineItems(first: 250) {
          nodes { quantity ... on ReturnLineItem { returnReasonNote fulfillmentLineItem { lineItem { id } } } }
        }
      }
    }
  }
}
"""

RETURN_CREATE = """
mutation WharfReturnCreate($input: ReturnInput!) {
  returnCreate(returnInput: $input) {
    return { id }
    userErrors { field message code }
  }
}
"""

RETURN_APPROVE = """
mutation WharfReturnApprove($input: ReturnApproveRequestInput!) {
  returnApproveRequest(input: $input) { return { id status } userErrors { field message code } }
}
"""

RETURN_DECLINE = """
mutation WharfReturnDecline($input: ReturnDeclineRequestInput!) {
  returnDeclineRequest(input: $input) { return { id status } userErrors { field message code } }
}
"""

RETURN_CANCEL = """
mutation WharfReturnCancel($id: ID!) {
  returnCancel(id: $id) { return { id status } userErrors { field message code } }
}
"""

RETURN_REOPEN = """
mutation WharfReturnReopen($id: ID!) {
  returnReopen(id: $id) { return { id status } userErrors { field message code } }
}
"""

RETURN_CLOSE = """
mutation WharfReturnClose($id: ID!) {
  returnClose(id: $id) { return { id status } userErrors { field message code } }
}
"""
