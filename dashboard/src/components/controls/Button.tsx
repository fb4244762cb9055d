import type { ButtonHTMLAttributes } from "react";
import "./Button.css";

export function Button({
  kind = "plain",
  className = "",
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & { kind?: "plain" | "primary" | "danger" | "quiet" }) {
  return <button type="button" className={`button button-${kind} ${className}`} {...rest} />;
}
