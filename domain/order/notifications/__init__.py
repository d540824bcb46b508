"""Messages to the customer: which news there is, when it may be sent, what is overdue or
superseded.
"""
