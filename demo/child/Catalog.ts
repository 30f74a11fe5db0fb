/** A tool that is one call of Forgejo's API. */
export interface CatalogTool {
  readonly name: string
  readonly description: string
  readonly method: string
  /** After `/api/v1`; each `{name}` is a required argument. */
  readonly path: string
  /** Arguments that go into the query of GET and DELETE, else into the JSON body. */
  readonly args: ReadonlyArray<{ readonly name: string; readonly required: boolean }>
}

const comment = "/repos/{owner}/{repo}/issues/comments/{comment_id}"

// name | method and path | further arguments ("!" marks a required one) | description
const reads = `
list_my_repos | GET /user/repos | page limit | List the repositories of the authenticated user
list_user_repos | GET /users/{username}/repos | page limit | List the repositories of a user
list_org_repos | GET /orgs/{org}/repos | page limit | List the repositories of an organization
list_issue_comments | GET /repos/{owner}/{repo}/issues/{index}/comments | since before | List the comments of an issue
list_repo_labels | GET /repos/{owner}/{repo}/labels | page limit | List the labels of a repository
list_org_labels | GET /orgs/{org}/labels | page limit | List the labels of an organization
list_issue_labels | GET /repos/{owner}/{repo}/issues/{index}/labels | | List the labels of an issue
list_repo_milestones | GET /repos/{owner}/{repo}/milestones | state name page limit | List the milestones of a repository
list_repo_pull_requests | GET /repos/{owner}/{repo}/pulls | state sort milestone page limit | List the pull requests of a repository
list_pull_reviews | GET /repos/{owner}/{repo}/pulls/{index}/reviews | page limit | List the reviews of a pull request
list_pull_review_comments | GET /repos/{owner}/{repo}/pulls/{index}/reviews/{id}/comments | | List the comments of a review
list_pull_request_files | GET /repos/{owner}/{repo}/pulls/{index}/files | page limit | List the files that a pull request changes
list_pull_request_commits | GET /repos/{owner}/{repo}/pulls/{index}/commits | page limit | List the commits of a pull request
list_branches | GET /repos/{owner}/{repo}/branches | page limit | List the branches of a repository
list_branch_protections | GET /repos/{owner}/{repo}/branch_protections | | List the branch protection rules of a repository
list_tags | GET /repos/{owner}/{repo}/tags | page limit | List the tags of a repository
list_releases | GET /repos/{owner}/{repo}/releases | is_draft is_pre_release page limit | List the releases of a repository
list_release_attachments | GET /repos/{owner}/{repo}/releases/{release_id}/assets | | List the attachments of a release
list_issue_attachments | GET /repos/{owner}/{repo}/issues/{index}/assets | | List the attachments of an issue
list_comment_attachments | GET ${comment}/assets | | List the attachments of a comment
list_repo_commits | GET /repos/{owner}/{repo}/commits | sha path page limit | List the commits of a branch or a file
list_repo_contents | GET /repos/{owner}/{repo}/contents | ref | List the files at the root of a repository
list_repo_collaborators | GET /repos/{owner}/{repo}/collaborators | page limit | List the collaborators of a repository
list_repo_hooks | GET /repos/{owner}/{repo}/hooks | page limit | List the webhooks of a repository
list_workflow_runs | GET /repos/{owner}/{repo}/actions/runs | status event page limit | List the workflow runs of a repository
list_action_variables | GET /repos/{owner}/{repo}/actions/variables | page limit | List the variables of the actions of a repository
list_my_orgs | GET /user/orgs | page limit | List the organizations of the authenticated user
list_org_members | GET /orgs/{org}/members | page limit | List the members of an organization
list_org_teams | GET /orgs/{org}/teams | page limit | List the teams of an organization
list_wiki_pages | GET /repos/{owner}/{repo}/wiki/pages | page limit | List the pages of a wiki
list_notifications | GET /notifications | since before page limit | List the notifications of the authenticated user
list_issue_tracked_times | GET /repos/{owner}/{repo}/issues/{index}/times | since before page limit | List the times tracked on an issue
get_my_user_info | GET /user | | Get the authenticated user
get_user | GET /users/{username} | | Get a user
get_org | GET /orgs/{org} | | Get an organization
get_repository | GET /repos/{owner}/{repo} | | Get a repository
get_issue_by_index | GET /repos/{owner}/{repo}/issues/{index} | | Get an issue by its number
get_issue_comment | GET ${comment} | | Get a comment
get_issue_attachment | GET /repos/{owner}/{repo}/issues/{index}/assets/{attachment_id} | | Get an attachment of an issue
get_comment_attachment | GET ${comment}/assets/{attachment_id} | | Get an attachment of a comment
get_pull_request_by_index | GET /repos/{owner}/{repo}/pulls/{index} | | Get a pull request by its number
get_pull_request_diff | GET /repos/{owner}/{repo}/pulls/{index}.diff | binary | Get the diff of a pull request
get_pull_review | GET /repos/{owner}/{repo}/pulls/{index}/reviews/{id} | | Get a review of a pull request
get_branch | GET /repos/{owner}/{repo}/branches/{branch} | | Get a branch
get_branch_protection | GET /repos/{owner}/{repo}/branch_protections/{name} | | Get a branch protection rule
get_tag | GET /repos/{owner}/{repo}/tags/{tag} | | Get a tag
get_release | GET /repos/{owner}/{repo}/releases/{release_id} | | Get a release
get_latest_release | GET /repos/{owner}/{repo}/releases/latest | | Get the latest release
get_release_attachment | GET /repos/{owner}/{repo}/releases/{release_id}/assets/{attachment_id} | | Get an attachment of a release
get_commit | GET /repos/{owner}/{repo}/git/commits/{sha} | | Get a commit
get_file_content | GET /repos/{owner}/{repo}/contents/{path} | ref | Get a file of a repository
get_repo_hook | GET /repos/{owner}/{repo}/hooks/{id} | | Get a webhook of a repository
get_workflow_run | GET /repos/{owner}/{repo}/actions/runs/{id} | | Get a workflow run
get_wiki_page | GET /repos/{owner}/{repo}/wiki/page/{name} | | Get a page of a wiki
get_wiki_revisions | GET /repos/{owner}/{repo}/wiki/revisions/{name} | page | Get the revisions of a wiki page
get_milestone | GET /repos/{owner}/{repo}/milestones/{id} | | Get a milestone
search_repos | GET /repos/search | q! topic include_description private sort order page limit | Search repositories
search_users | GET /users/search | q! page limit | Search users
search_org_teams | GET /orgs/{org}/teams/search | q! include_description page limit | Search the teams of an organization
search_issues | GET /repos/issues/search | q! state type labels milestones owner page limit | Search issues of all repositories
download_issue_attachment | GET /repos/{owner}/{repo}/issues/{index}/assets/{attachment_id} | | Download an attachment of an issue
download_comment_attachment | GET ${comment}/assets/{attachment_id} | | Download an attachment of a comment
check_notifications | GET /notifications/new | | Check whether there are new notifications
check_org_membership | GET /orgs/{org}/members/{username} | | Check whether a user is a member of an organization
`

const protection = [
  "enable_push enable_push_whitelist push_whitelist_usernames push_whitelist_teams",
  "enable_merge_whitelist merge_whitelist_usernames merge_whitelist_teams enable_approvals_whitelist",
  "approvals_whitelist_usernames approvals_whitelist_teams required_approvals enable_status_check",
  "status_check_contexts block_on_rejected_reviews block_on_official_review_requests",
  "block_on_outdated_branch dismiss_stale_approvals ignore_stale_approvals require_signed_commits",
  "protected_file_patterns unprotected_file_patterns apply_to_admins"
].join(" ")

const settings = "name description website private archived default_branch has_issues has_wiki has_pull_requests"

const writes = `
create_issue_comment | POST /repos/{owner}/{repo}/issues/{index}/comments | body! | Create a comment on an issue
create_issue_attachment | POST /repos/{owner}/{repo}/issues/{index}/assets | content! name | Create an attachment of an issue
create_comment_attachment | POST ${comment}/assets | content! name | Create an attachment of a comment
create_release_attachment | POST /repos/{owner}/{repo}/releases/{release_id}/assets | content! name | Create an attachment of a release
create_pull_request | POST /repos/{owner}/{repo}/pulls | title! head! base! body | Create a pull request
create_pull_review | POST /repos/{owner}/{repo}/pulls/{index}/reviews | state body sha comments | Create a review of a pull request
create_branch | POST /repos/{owner}/{repo}/branches | new_branch_name! old_ref_name | Create a branch
create_branch_protection | POST /repos/{owner}/{repo}/branch_protections | rule_name! ${protection} | Create a branch protection rule
create_tag | POST /repos/{owner}/{repo}/tags | tag_name! target message | Create a tag
create_release | POST /repos/{owner}/{repo}/releases | tag_name! name! body target is_draft is_pre_release | Create a release
create_repo | POST /user/repos | name! description private auto_init license readme default_branch | Create a repository
create_file | POST /repos/{owner}/{repo}/contents/{path} | content! message! branch new_branch_name | Create a file in a repository
create_repo_label | POST /repos/{owner}/{repo}/labels | name! color! description exclusive | Create a label in a repository
create_milestone | POST /repos/{owner}/{repo}/milestones | title! description due_on state | Create a milestone
create_org | POST /orgs | username! full_name description visibility | Create an organization
create_org_team | POST /orgs/{org}/teams | name! description permission units | Create a team in an organization
create_repo_hook | POST /repos/{owner}/{repo}/hooks | type! url! content_type events active | Create a webhook
create_wiki_page | POST /repos/{owner}/{repo}/wiki/new | title! content! message | Create a wiki page
edit_issue | PATCH /repos/{owner}/{repo}/issues/{index} | title body assignees milestone state due_date | Edit an issue
edit_issue_comment | PATCH ${comment} | body! | Edit a comment
edit_issue_attachment | PATCH /repos/{owner}/{repo}/issues/{index}/assets/{attachment_id} | name! | Rename an attachment of an issue
edit_comment_attachment | PATCH ${comment}/assets/{attachment_id} | name! | Rename an attachment of a comment
edit_release | PATCH /repos/{owner}/{repo}/releases/{release_id} | tag_name name body is_draft is_pre_release | Edit a release
edit_release_attachment | PATCH /repos/{owner}/{repo}/releases/{release_id}/assets/{attachment_id} | name! | Rename a release attachment
edit_branch_protection | PATCH /repos/{owner}/{repo}/branch_protections/{name} | ${protection} | Edit a branch protection rule
edit_repo_label | PATCH /repos/{owner}/{repo}/labels/{id} | name color description exclusive is_archived | Edit a label of a repository
edit_milestone | PATCH /repos/{owner}/{repo}/milestones/{id} | title description due_on state | Edit a milestone
edit_org | PATCH /orgs/{org} | full_name description website location visibility | Edit an organization
edit_repo_hook | PATCH /repos/{owner}/{repo}/hooks/{id} | url content_type events active | Edit a webhook
edit_repo | PATCH /repos/{owner}/{repo} | ${settings} | Edit a repository
delete_branch | DELETE /repos/{owner}/{repo}/branches/{branch} | | Delete a branch
delete_branch_protection | DELETE /repos/{owner}/{repo}/branch_protections/{name} | | Delete a branch protection rule
delete_comment_attachment | DELETE ${comment}/assets/{attachment_id} | | Delete an attachment of a comment
delete_file | DELETE /repos/{owner}/{repo}/contents/{path} | sha! message! branch | Delete a file of a repository
delete_issue_attachment | DELETE /repos/{owner}/{repo}/issues/{index}/assets/{attachment_id} | | Delete an attachment of an issue
delete_issue_comment | DELETE ${comment} | | Delete a comment
delete_issue_time | DELETE /repos/{owner}/{repo}/issues/{index}/times/{id} | | Delete a tracked time
delete_milestone | DELETE /repos/{owner}/{repo}/milestones/{id} | | Delete a milestone
delete_org_team | DELETE /teams/{id} | | Delete a team
delete_pull_review | DELETE /repos/{owner}/{repo}/pulls/{index}/reviews/{id} | | Delete a review of a pull request
delete_release | DELETE /repos/{owner}/{repo}/releases/{release_id} | | Delete a release
delete_release_attachment | DELETE /repos/{owner}/{repo}/releases/{release_id}/assets/{attachment_id} | | Delete an attachment of a release
delete_repo_hook | DELETE /repos/{owner}/{repo}/hooks/{id} | | Delete a webhook
delete_repo_label | DELETE /repos/{owner}/{repo}/labels/{id} | | Delete a label of a repository
delete_tag | DELETE /repos/{owner}/{repo}/tags/{tag} | | Delete a tag
delete_wiki_page | DELETE /repos/{owner}/{repo}/wiki/page/{name} | | Delete a wiki page
add_issue_labels | POST /repos/{owner}/{repo}/issues/{index}/labels | labels! | Add labels to an issue
add_issue_time | POST /repos/{owner}/{repo}/issues/{index}/times | time! | Add a tracked time to an issue
add_org_team_member | PUT /teams/{id}/members/{username} | | Add a member to a team
add_repo_collaborator | PUT /repos/{owner}/{repo}/collaborators/{username} | permission | Add a collaborator to a repository
add_pull_reviewers | POST /repos/{owner}/{repo}/pulls/{index}/requested_reviewers | reviewers! | Ask for reviews of a pull request
remove_issue_label | DELETE /repos/{owner}/{repo}/issues/{index}/labels/{id} | | Remove a label from an issue
remove_org_team_member | DELETE /teams/{id}/members/{username} | | Remove a member from a team
remove_repo_collaborator | DELETE /repos/{owner}/{repo}/collaborators/{username} | | Remove a collaborator from a repository
remove_pull_reviewers | DELETE /repos/{owner}/{repo}/pulls/{index}/requested_reviewers | reviewers! | Take back the request for a review
update_file | PUT /repos/{owner}/{repo}/contents/{path} | content! sha! message! branch new_branch_name | Update a file of a repository
update_pull_request | PATCH /repos/{owner}/{repo}/pulls/{index} | title body base state assignees milestone | Update a pull request
update_wiki_page | PATCH /repos/{owner}/{repo}/wiki/page/{name} | content! title message | Update a wiki page
update_repo_topics | PUT /repos/{owner}/{repo}/topics | topics! | Replace the topics of a repository
cancel_issue_stopwatch | DELETE /repos/{owner}/{repo}/issues/{index}/stopwatch/delete | | Cancel the stopwatch of an issue
dismiss_pull_review | POST /repos/{owner}/{repo}/pulls/{index}/reviews/{id}/dismissals | message | Dismiss a review
dispatch_workflow | POST /repos/{owner}/{repo}/actions/workflows/{name}/dispatches | ref! inputs | Start a workflow
fork_repo | POST /repos/{owner}/{repo}/forks | organization name | Fork a repository
mark_all_notifications_read | PUT /notifications | before | Mark all notifications as read
mark_notification_read | PATCH /notifications/threads/{id} | | Mark a notification as read
mark_repo_notifications_read | PUT /repos/{owner}/{repo}/notifications | before | Mark the notifications of a repository as read
merge_pull_request | POST /repos/{owner}/{repo}/pulls/{index}/merge | style! title message delete_branch_after_merge | Merge a pull request
reset_issue_time | DELETE /repos/{owner}/{repo}/issues/{index}/times | | Remove all tracked times of an issue
start_issue_stopwatch | POST /repos/{owner}/{repo}/issues/{index}/stopwatch/start | | Start the stopwatch of an issue
stop_issue_stopwatch | POST /repos/{owner}/{repo}/issues/{index}/stopwatch/stop | | Stop the stopwatch of an issue
submit_pull_review | POST /repos/{owner}/{repo}/pulls/{index}/reviews/{id} | state! body | Submit a pending review
test_repo_hook | POST /repos/{owner}/{repo}/hooks/{id}/tests | ref | Send a test event to a webhook
`

const parse = (line: string): CatalogTool => {
  const [name = "", call = "", args = "", description = ""] = line.split("|").map((cell) => cell.trim())
  const [method = "", path = ""] = call.split(" ")
  const further = args.split(" ").filter((arg) => arg !== "")
  return { name, description, method, path, args: further.map((arg) => ({ name: arg.replace("!", ""), required: arg.endsWith("!") })) }
}

/** The tools that need no code of their own. With those of Tools.ts they make the 141 of forgejo-mcp 2.34. */
export const catalog: ReadonlyArray<CatalogTool> = `${reads}${writes}`.split("\n").filter((line) => line !== "").map(parse)
