import { KeySquare } from "lucide-react";
import { forgetKey } from "../../api/key";
import type { OidcProvider } from "../../api/types";

/** The way to the OpenID provider, which leads back to the page that is open. `page`: to another one. */
export function SignOn({ provider, page }: { provider: OidcProvider; page?: string }) {
  const next = page ?? location.pathname + location.search;
  return (
    <a
      className="button button-primary sign-on"
      href={`${provider.url}?${new URLSearchParams({ next })}`}
      onClick={forgetKey} // else this tab would still ask with it afterwards
    >
      <KeySquare size={15} aria-hidden /> Log in with {provider.name}
    </a>
  );
}
