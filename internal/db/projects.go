package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"

	"wtp-console/internal/wtp"
)

// CreateProject keeps a project and asks for its first reading. An empty slug
// is made from the name. The same region, project ID and enterprise project ID
// twice is a wtp.Invalid on "hss_project_id", a slug that is taken one on
// "slug".
func (s *Store) CreateProject(ctx context.Context, actor wtp.Actor, p wtp.Project) (wtp.Project, error) {
	err := s.tx(ctx, func(tx *gorm.DB) (err error) {
		p, err = s.createProject(tx, actor, p)
		return err
	})
	return p, err
}

func (s *Store) createProject(tx *gorm.DB, actor wtp.Actor, p wtp.Project) (wtp.Project, error) {
	now := s.Now()
	p = wtp.Project{
		Slug: p.Slug, Name: p.Name, Region: p.Region, HSSProjectID: p.HSSProjectID, EnterpriseProjectID: p.EnterpriseProjectID,
		HSSEndpoint: p.HSSEndpoint, IAMEndpoint: p.IAMEndpoint, CredentialID: p.CredentialID, CreatedAt: now, ReadWantedAt: now,
	}
	if err := s.checkProject(tx, &p); err != nil {
		return p, err
	}
	err := tx.Create(&p).Error
	if duplicate(err) { // somebody was faster
		return p, invalid("hss_project_id", "Somebody has just added this project or one of this address.")
	}
	if err != nil {
		return p, fmt.Errorf("creating a project: %w", err)
	}
	_, err = s.record(tx, actor, wtp.Event{Verb: "project.created", ProjectID: p.ID, Subject: p.Name}, projectDetail(p))
	return p, err
}

func projectDetail(p wtp.Project) map[string]any {
	return map[string]any{
		"name": p.Name, "slug": p.Slug, "region": p.Region, "hss_project_id": p.HSSProjectID, "enterprise_project_id": p.EnterpriseProjectID,
		"hss_endpoint": p.HSSEndpoint, "iam_endpoint": p.IAMEndpoint, "credential_id": p.CredentialID,
	}
}

// checkProject fills in the slug and refuses what exists already. The
// credential's row is locked, so that it can't be removed meanwhile.
func (s *Store) checkProject(tx *gorm.DB, p *wtp.Project) error {
	if _, err := one[int64](tx, "SELECT id FROM credentials WHERE id = ? AND removed_at = 0"+s.forUpdate(), p.CredentialID); err != nil {
		if errors.Is(err, wtp.ErrNotFound) {
			return invalid("credential", "Choose a credential.")
		}
		return err
	}
	same, err := one[string](tx, "SELECT name FROM projects WHERE region = ? AND hss_project_id = ? AND enterprise_project_id = ? AND removed_at = 0 AND id <> ?",
		p.Region, p.HSSProjectID, p.EnterpriseProjectID, p.ID)
	if err == nil {
		return invalid("hss_project_id", "The project %s is this one already.", same)
	}
	if !errors.Is(err, wtp.ErrNotFound) {
		return err
	}
	base := p.Slug
	if base == "" {
		base = slug(p.Name, p.Region)
	}
	for i := 1; ; i++ {
		try := base
		if i > 1 {
			try = fmt.Sprintf("%s-%d", base, i)
		}
		_, err := one[int64](tx, "SELECT id FROM projects WHERE slug = ? AND removed_at = 0 AND id <> ?", try, p.ID)
		if errors.Is(err, wtp.ErrNotFound) {
			p.Slug = try
			return nil
		}
		if err != nil {
			return err
		}
		if p.Slug != "" {
			return invalid("slug", "Another project has this address.")
		}
	}
}

// slug makes an address from a name: lower case letters, digits and single
// hyphens; from the region where the name has none of these.
func slug(name, region string) string {
	for _, from := range []string{name, region, "project"} {
		var b strings.Builder
		for _, r := range strings.ToLower(from) {
			switch {
			case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
				b.WriteRune(r)
			case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
				b.WriteByte('-')
			}
			if b.Len() >= 48 {
				break
			}
		}
		if out := strings.Trim(b.String(), "-"); out != "" {
			return out
		}
	}
	return "project"
}

// ChangeProject sets name, slug, region, IDs, endpoints and credential. A
// project that then is another one to HSS loses its inventory, and can't be
// changed so while a change is open.
func (s *Store) ChangeProject(ctx context.Context, actor wtp.Actor, p wtp.Project) (wtp.Project, error) {
	var now wtp.Project
	err := s.tx(ctx, func(tx *gorm.DB) (err error) {
		now, err = s.changeProject(tx, actor, p)
		return err
	})
	return now, err
}

func (s *Store) changeProject(tx *gorm.DB, actor wtp.Actor, p wtp.Project) (wtp.Project, error) {
	was, err := s.lockProject(tx, p.ID)
	if err != nil {
		return was, err
	}
	now := was
	now.Name, now.Region, now.HSSProjectID, now.EnterpriseProjectID = p.Name, p.Region, p.HSSProjectID, p.EnterpriseProjectID
	now.HSSEndpoint, now.IAMEndpoint, now.CredentialID = p.HSSEndpoint, p.IAMEndpoint, p.CredentialID
	if p.Slug != "" {
		now.Slug = p.Slug
	}
	if now == was {
		return now, nil
	}
	if err := s.checkProject(tx, &now); err != nil {
		return now, err
	}
	if now.Region != was.Region || now.HSSProjectID != was.HSSProjectID || now.EnterpriseProjectID != was.EnterpriseProjectID || now.HSSEndpoint != was.HSSEndpoint {
		if err := s.noOpenChange(tx, was); err != nil {
			return now, err
		}
		if err := wipeInventory(tx, was.ID); err != nil {
			return now, err
		}
		now.ServerCount, now.BackupCount, now.BackupTrouble, now.ReadAt = 0, 0, 0, 0
		now.ReadLease, now.ReadLeaseUntil, now.ReadStartedAt = "", 0, 0 // a reading of the other one is fenced off
	}
	now.ReadWantedAt, now.ReadFailedAt, now.ReadError = s.Now(), 0, ""
	if err := tx.Select("*").Omit("id").Where("id = ?", now.ID).Updates(&now).Error; err != nil {
		return now, fmt.Errorf("changing a project: %w", err)
	}
	_, err = s.record(tx, actor, wtp.Event{Verb: "project.changed", ProjectID: now.ID, Subject: now.Name}, map[string]any{"before": projectDetail(was), "after": projectDetail(now)})
	return now, err
}

// RemoveProject takes a project out of the console and wipes its inventory; its
// changes stay. It is refused while a change is open.
func (s *Store) RemoveProject(ctx context.Context, actor wtp.Actor, id int64) error {
	return s.tx(ctx, func(tx *gorm.DB) error {
		p, err := s.lockProject(tx, id)
		if err != nil {
			return err
		}
		if err := s.noOpenChange(tx, p); err != nil {
			return err
		}
		if err := wipeInventory(tx, id); err != nil {
			return err
		}
		if _, err := exec(tx, `UPDATE projects SET removed_at = ?, server_count = 0, unlisted = 0, backup_count = 0, backup_trouble = 0,
			read_lease = '', read_lease_until = 0, read_started_at = 0, read_wanted_at = 0 WHERE id = ?`, s.Now(), id); err != nil {
			return fmt.Errorf("removing a project: %w", err)
		}
		_, err = s.record(tx, actor, wtp.Event{Verb: "project.removed", ProjectID: id, Subject: p.Name}, projectDetail(p))
		return err
	})
}

func (s *Store) noOpenChange(tx *gorm.DB, p wtp.Project) error {
	n, err := one[int64](tx, "SELECT number FROM changes WHERE project_id = ? AND state IN ('queued', 'running') ORDER BY number LIMIT 1", p.ID)
	if err == nil {
		return conflict("Change %d of this project is still under way. Wait for it or stop it first.", n)
	}
	if !errors.Is(err, wtp.ErrNotFound) {
		return err
	}
	n, err = one[int64](tx, "SELECT c.number FROM timers t JOIN changes c ON c.id = t.change_id WHERE t.project_id = ? AND t.state = 'pending' ORDER BY t.due_at LIMIT 1", p.ID)
	if errors.Is(err, wtp.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return conflict("Servers of this project are to be turned back on after change %d. Turn them on now or cancel that first.", n)
}

func wipeInventory(tx *gorm.DB, id int64) error {
	for _, t := range []string{"servers", "backup_servers", "group_counts", "backup_use", "selection_hosts", "selections"} {
		if _, err := exec(tx, "DELETE FROM "+t+" WHERE project_id = ?", id); err != nil {
			return fmt.Errorf("wiping the inventory: %w", err)
		}
	}
	return nil
}

// lockProject reads a project that is not removed and locks it until the
// transaction ends: whoever plans, confirms or saves an inventory does so alone.
func (s *Store) lockProject(tx *gorm.DB, id int64) (wtp.Project, error) {
	return one[wtp.Project](tx, "SELECT * FROM projects WHERE id = ? AND removed_at = 0"+s.forUpdate(), id)
}

// Projects lists those not removed, by name.
func (s *Store) Projects(ctx context.Context) ([]wtp.Project, error) {
	return many[wtp.Project](s.reader(ctx), "SELECT * FROM projects WHERE removed_at = 0 ORDER BY name, id")
}

// Project finds a project by its slug.
func (s *Store) Project(ctx context.Context, slug string) (wtp.Project, error) {
	return one[wtp.Project](s.reader(ctx), "SELECT * FROM projects WHERE slug = ? AND removed_at = 0", clean(slug, maxName))
}

// ProjectByID finds a project; a removed one too, see RemovedAt.
func (s *Store) ProjectByID(ctx context.Context, id int64) (wtp.Project, error) {
	return one[wtp.Project](s.reader(ctx), "SELECT * FROM projects WHERE id = ?", id)
}
