import { FilterBar } from "../../parts/FilterBar";
import { PageHead } from "../../parts/PageHead";
import { ZonePicker } from "../../parts/RangePicker";
import { Site } from "../../parts/Site";
import { useParams, useView } from "../../scope/scope";
import { Facts } from "./Facts";
import { Timeline } from "./Timeline";
import { UserList } from "./UserList";

export default function Users() {
  const view = useView();
  const [params] = useParams();
  const user = params.get("user") ?? "";
  return (
    <>
      <PageHead title="Users" view={view}>
        <ZonePicker view={view} />
      </PageHead>
      <Site>
        {user === "" ? (
          <>
            <FilterBar view={view} />
            <UserList view={view} />
          </>
        ) : (
          view.ready && (
            <>
              <Facts key={`facts ${user}`} view={view} user={user} />
              <Timeline key={user} view={view} user={user} />
            </>
          )
        )}
      </Site>
    </>
  );
}
