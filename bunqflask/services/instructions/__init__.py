"""Instructions: what people have this server write at bunq, each done there exactly once.

`rights` says who may, `abilities` what an owner switched on, `preparing` what people do, `reading` what they see,
`kinds` what each kind is at bunq, and `sending` moves an instruction from state to state.
"""
