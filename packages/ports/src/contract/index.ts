export * from "./clock-contract.ts";
export * from "./disk-contract.ts";
export * from "./harness.ts";
export * from "./log-contract.ts";
export * from "./network-contract.ts";
export * from "./page-store-contract.ts";
