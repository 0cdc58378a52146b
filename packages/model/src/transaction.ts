/** What a client may ask of a transaction (DESIGN section 8). Defaults come first. */

export type Isolation = "snapshot" | "serializable";
export type Consistency = "session" | "cluster";
/** `row`: a lost page race is rebuilt and only row conflicts reach the client. `page`: it is reported, as Aurora Multi-Master did. */
export type Conflicts = "row" | "page";
export type Role = "writer" | "replica";

/** What `outcome(id)` answers. */
export type TransactionOutcome = "committed" | "aborted" | "unknown";
